// What is componentized: the plugin, under the name the contract wants.
import { exportsOf } from "../../sdk/js/rowhouse-plugin/component.js";
import { plugin } from "./src/plugin.js";

export const tools = exportsOf(plugin);
