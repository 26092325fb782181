// Judges webhooks with the guide's code: cases in, and for each what was said of
// it, null for accepted.
import { readFileSync } from "node:fs";
import { verify } from "./receiver.mjs";

const said = JSON.parse(readFileSync(0, "utf8")).map((c) => {
  try {
    verify(c.headers, Buffer.from(c.body, "base64"), c.keys, c.now);
    return null;
  } catch (e) {
    if (e.constructor !== Error) throw e; // the code is wrong, not the webhook
    return e.message;
  }
});
console.log(JSON.stringify(said));
