// What is componentized: the plugin, under the name the contract wants.
import { exportsOf } from "./rowhouse-plugin/component.js";
import { plugin } from "./tools.js";

export const tools = exportsOf(plugin);
