"""What is componentized: the plugin, under the name the contract wants."""

from rowhouse_plugin.component import exports
from tools import PLUGIN

Tools = exports(PLUGIN)
