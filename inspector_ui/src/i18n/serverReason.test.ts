import { expect, test } from "vitest";
import { en } from "./en";
import { reasonWords } from "./serverReason";
import { zhHant } from "./zhHant";

const SENTENCES = [
  "the image is empty (0 bytes)",
  "not a JPEG, PNG, BMP, TIFF or WebP image, or its header is damaged",
  "more than the 50,000,000 pixels allowed",
  "9000 x 9000 pixels; at most 50,000,000 are allowed",
  "3 pages in one file; send one frame at a time",
  "the pixels cannot be decoded: the file is cut off or damaged",
  "the JPEG is cut off: its end marker is missing",
  "the JPEG is damaged: no marker at byte 512",
  "the JPEG is damaged: another image begins within it",
  "the camera is frozen: it sent the same picture for 3 parts in a row, from part P-7 & co on",
  "no model is active: no bundle in var/bundles",
  "no decision within 0.5 s",
  "the model failed: RuntimeError: out of memory",
  "looks unlike anything the model was trained on (1.25 times the limit)",
  "64 x 48 pixels, training had 300 x 300",
  "darker than the training images: mean brightness 3.1, usual 40 to 90",
  "brighter than the training images: mean brightness 250, usual 40 to 90",
  "more of it is black than of the training images: 80 %, usual 0 to 12 %",
  "more of it is saturated than of the training images: 80 %, usual 0 to 12 %",
  "less contrast than the training images: standard deviation 0.1, usual 10 to 40",
  "more blurred than the training images: sharpness 1.2e-05, usual 10 to 40",
  "noisier than the training images: sharpness 900, usual 10 to 40",
  "less colour than the training images: saturation 0, usual 10 to 40",
  "more colour than the training images: saturation 90, usual 10 to 40",
];

test.each(SENTENCES)("%s", (sentence) => {
  const found = reasonWords(sentence);
  expect(found).not.toBeNull();
  if (found !== null) {
    const name = found.key.replace("reasonWords.", "") as keyof typeof en.reasonWords;
    const write = (words: string) => words.replace(/{{(\w+)}}/g, (_, value: string) => found.values[value] ?? "?");
    expect(write(en.reasonWords[name])).toBe(sentence);
    const chinese = write(zhHant.reasonWords[name]);
    expect(chinese).toMatch(/[\u4e00-\u9fff]/);
    for (const value of Object.values(found.values)) {
      expect(chinese).toContain(value);
    }
  }
});

test("a decoder's own message is left as it is", () => {
  expect(reasonWords("the pixels cannot be decoded (broken data stream)")).toBeNull();
});
