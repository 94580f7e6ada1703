/**
 * Lets the runtime free what failed calls of zlib hold: it does so between tasks only, and a
 * million of them would take all memory. To be called in every round.
 */
export async function breathe(round: number): Promise<void> {
  if (round % 100 === 0) await new Promise((resolve) => setTimeout(resolve));
}
