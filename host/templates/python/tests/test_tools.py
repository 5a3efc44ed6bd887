import unittest

from rowhouse_plugin.testing import FakeHost
from tools import low_stock


class LowStock(unittest.TestCase):
    def test_the_bound_is_a_parameter(self) -> None:
        for arguments, expect in [({}, 5), ({"at_most": 0}, 0)]:
            host = FakeHost({"retail.inventory": [{"store_name": "Seattle", "product_name": "Saw", "stock_level": 0}]})
            self.assertEqual(len(low_stock(host, arguments)), 1)
            self.assertEqual(host.asked[0][1], (expect,))
