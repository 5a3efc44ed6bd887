"""What is componentized: the plugin, under the name the contract wants."""

from basket.plugin import PLUGIN
from rowhouse_plugin.component import exports

Tools = exports(PLUGIN)
