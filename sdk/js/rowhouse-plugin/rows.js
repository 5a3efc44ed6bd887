// @ts-check
/**
 * The rows of one statement, each an object by column name. Of columns with one name, the last counts.
 *
 * Given back as the answer before it was read, it goes to the caller without ever entering the plugin.
 */
export class Rows {
  #pages;
  #handle;
  /** @type {Record<string, any>[] | undefined} */
  #read;

  /**
   * @param {object} from
   * @param {{ name: string, kind: string }[]} from.columns
   * @param {boolean} [from.truncated] Whether there were more rows than the host kept: these may not be taken for all.
   * @param {number} from.count
   * @param {() => any[][] | null} from.next The next rows, as arrays of cells; null at the end.
   * @param {unknown} [from.handle] The contract's own resource, where there is one.
   */
  constructor({ columns, truncated = false, count, next, handle = null }) {
    this.columns = columns;
    this.truncated = truncated;
    this.length = count;
    this.#pages = next;
    this.#handle = handle;
  }

  /** The contract's own resource. */
  get handle() {
    return this.#handle;
  }

  /** Every row. Read from the host once. */
  all() {
    if (this.#read === undefined) {
      const names = this.columns.map((column) => column.name);
      this.#read = [];
      for (let page = this.#pages(); page !== null; page = this.#pages()) {
        for (const row of page) this.#read.push(Object.fromEntries(names.map((name, at) => [name, row[at]])));
      }
    }
    return this.#read;
  }

  /** The first row, if there is any. */
  one() {
    return this.all().at(0);
  }

  [Symbol.iterator]() {
    return this.all()[Symbol.iterator]();
  }
}
