/** At the end: how long closing the device may take. */
const CLOSE_MILLISECONDS = 1000;

/** A device that hangs holds up its own closing, too: the end does not wait for that. */
export function closedInTime(medium: AsyncDisposable): AsyncDisposable {
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, CLOSE_MILLISECONDS);
      await Promise.race([medium[Symbol.asyncDispose](), late.promise]);
      clearTimeout(timer);
    },
  };
}
