// A fault is something broken on our side or behind us: a store that does not answer, an upstream
// that resets. It is thrown. A denial, which is the gateway doing its work, is returned.

/** The store cannot be asked, or answered with something that is not an answer. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  /** What was asked for, as the `operation` label of the metrics. */
  readonly operation: string;
  /** Whether the message says what to do about it. */
  readonly namesCure: boolean;

  constructor(operation: string, message: string, cause?: unknown, namesCure = false) {
    super(message, { cause });
    this.operation = operation;
    this.namesCure = namesCure;
  }
}

/** Something a person asked for cannot be done; the message is one sentence with the cure. */
export class UserFault extends Error {
  override readonly name = 'UserFault';
  /** The process's exit code (SPEC section 1): 1 failed, 2 wrong usage, 78 wrong configuration. */
  readonly exitCode: 1 | 2 | 78;

  constructor(message: string, exitCode: 1 | 2 | 78 = 1, cause?: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}
