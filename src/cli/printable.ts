// Text from a store or a file on its way to a terminal. Control and formatting characters would move the
// cursor or turn the line around; they are shown by their number.

/** The text with every character that could change how others are shown written as `\u{…}`. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
