// @ts-check
/** Why there is no answer. The texts reach the caller: say what to do next, and nothing of the plugin's inside. */
export class ToolError extends Error {}

/** The arguments are of the right shape and still make no sense (`from` after `to`). */
export class InvalidArguments extends ToolError {}

/** There is no such thing, among what this caller may see. */
export class NotFound extends ToolError {}

/** Anything else. */
export class Failed extends ToolError {}

/** A statement gave no rows. Let it pass: the host words it for the caller. */
export class SqlFailed extends ToolError {
  /**
   * @param {{ code: string, message: string, sqlstate?: string | null, position?: number | null }} error The contract's
   *   own: `code` is one of `rejected`, `invalid`, `timeout`, `limit`, `cancelled`, `unavailable`.
   */
  constructor(error) {
    super(error.message);
    this.error = error;
    this.code = error.code;
  }
}
