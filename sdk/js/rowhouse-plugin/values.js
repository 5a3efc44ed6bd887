// @ts-check
/**
 * Cells and parameters as JavaScript has them.
 *
 * | PostgreSQL       | cell                     | parameter                                                         |
 * |------------------|--------------------------|-------------------------------------------------------------------|
 * | NULL             | `null`                   | `null`, `undefined`                                               |
 * | boolean          | boolean                  | boolean                                                           |
 * | bigint           | number                   | whole number, `bigint`; `Value.int`                               |
 * | double precision | number                   | number with a fraction; `Value.float` for a whole one             |
 * | numeric          | string, every digit kept | `Value.numeric("12.50")`                                          |
 * | text, others     | string                   | string                                                            |
 * | date, timestamp  | string, ISO 8601         | `Value.date("2026-01-31")`, `Value.timestamp(…)`                   |
 * | uuid             | string                   | `Value.uuid(…)`                                                   |
 * | jsonb            | what it holds            | `Value.json(…)`                                                   |
 * | bytea            | `Uint8Array`             | `Uint8Array`                                                      |
 * | arrays, vector   | array                    | `Value.ints`, `.floats`, `.texts`, `.uuids`, `.booleans`, `.vector` |
 *
 * A bigint that a number cannot hold is an error, not a rounded number: cast it to text in the statement.
 *
 * @typedef {null | undefined | boolean | number | bigint | string | Uint8Array | Value} Parameter
 */

/** A parameter of a type that JavaScript has no value of. */
export class Value {
  /**
   * @param {string} tag The case of the contract's `value`.
   * @param {any} [val]
   */
  constructor(tag, val) {
    this.tag = tag;
    this.val = val;
  }

  /** @param {number} it */
  static int = (it) => new Value("int", safe(it));
  /** @param {number} it */
  static float = (it) => new Value("float", it);
  /** @param {string} it Decimal notation. */
  static numeric = (it) => new Value("numeric", it);
  /** @param {string} it `2026-01-31` */
  static date = (it) => new Value("date", it);
  /** @param {string} it `2026-01-31 13:45:00+00` */
  static timestamp = (it) => new Value("timestamp", it);
  /** @param {string} it */
  static uuid = (it) => new Value("uuid", it);
  /** @param {unknown} it */
  static json = (it) => new Value("json", JSON.stringify(it));
  /** @param {boolean[]} it */
  static booleans = (it) => new Value("boolean-array", it);
  /** @param {number[]} it */
  static ints = (it) => new Value("int-array", it.map(safe));
  /** @param {number[]} it */
  static floats = (it) => new Value("float-array", it);
  /** @param {string[]} it */
  static texts = (it) => new Value("text-array", it);
  /** @param {string[]} it */
  static uuids = (it) => new Value("uuid-array", it);
  /** @param {number[]} it */
  static vector = (it) => new Value("vector", it);
}

/** @param {number} it */
function safe(it) {
  if (!Number.isSafeInteger(it)) throw new RangeError(`${it} is no whole number below 2^53: pass a bigint`);
  return it;
}

/**
 * A parameter as the contract has it.
 *
 * @param {Parameter} it
 * @returns {{ tag: string, val?: any }}
 */
export function asValue(it) {
  if (it === null || it === undefined) return { tag: "null" };
  if (it instanceof Value) return { tag: it.tag, val: it.val };
  if (it instanceof Uint8Array) return { tag: "bytes", val: it };
  switch (typeof it) {
    case "boolean":
      return { tag: "boolean", val: it };
    case "string":
      return { tag: "text", val: it };
    case "number":
      return Number.isSafeInteger(it) ? { tag: "int", val: it } : { tag: "float", val: it };
    case "bigint":
      // The bindings take a number for the contract's s64 and cannot pass a larger one exactly. PostgreSQL compares
      // bigint with numeric, so what a number cannot hold is sent as numeric.
      return Number.isSafeInteger(Number(it)) ? { tag: "int", val: Number(it) } : { tag: "numeric", val: it.toString() };
    default:
      throw new TypeError(`a ${typeof it} cannot be a parameter of a statement`);
  }
}

/**
 * A cell's content as JavaScript has it.
 *
 * @param {string} kind The column's.
 * @param {any} content
 */
export function read(kind, content) {
  if (kind === "json") return JSON.parse(content);
  if (kind === "int") return exact(content);
  if (kind === "int-array") return Array.from(content, exact);
  return content;
}

/** @param {number | bigint} it */
function exact(it) {
  const number = Number(it);
  // A whole number at or beyond 2^53 may have been rounded on its way here.
  if (!Number.isSafeInteger(number)) throw new RangeError("a bigint beyond 2^53: cast it to text in the statement");
  return number;
}

/**
 * The texts of a packed column. Offsets count bytes of UTF-8, JavaScript counts UTF-16 units, and the component has no
 * TextDecoder.
 *
 * @param {{ offsets: ArrayLike<number>, data: string }} packed
 */
export function unpack({ offsets, data }) {
  const texts = [];
  const rows = offsets.length - 1;
  // As many units as bytes: all of it is ASCII, and the two counts are one.
  if (offsets[rows] === data.length) {
    for (let row = 0; row < rows; row += 1) texts.push(data.slice(offsets[row], offsets[row + 1]));
    return texts;
  }
  let [unit, byte] = [0, 0];
  for (let row = 0; row < rows; row += 1) {
    const from = unit;
    while (byte < offsets[row + 1]) {
      const point = data.codePointAt(unit) ?? 0;
      byte += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      unit += point < 0x10000 ? 1 : 2;
    }
    texts.push(data.slice(from, unit));
  }
  return texts;
}
