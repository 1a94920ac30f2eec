// A Latin letter in bold is up to 0.7 of its size wide, a Chinese character as wide as it is high.
const WIDE = /[\u2e80-\uffef]/;
const WIDE_IN_LETTERS = 1 / 0.7;

/** How long the longest word of a text is, in letters, and how many words it has: from this the tile's style sizes it. */
export function sayLarge(text: string): { "--letters": number; "--words": number } {
  const words = text.split(" ");
  const lengths = words.map((word) =>
    [...word].reduce((sum, letter) => sum + (WIDE.test(letter) ? WIDE_IN_LETTERS : 1), 0),
  );
  return { "--letters": Math.max(...lengths), "--words": words.length };
}
