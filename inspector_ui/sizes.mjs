// What the built UI consists of, as JSON: of each file its size, packed size, static imports and packages. `npm run sizes`
import { gzipSync } from "node:zlib";
import { build } from "vite";

const packageOf = (id) => {
  const path = id.split("node_modules/").at(-1).split("/");
  return id.includes("node_modules") ? path.slice(0, path[0].startsWith("@") ? 2 : 1).join("/") : "our own";
};

const files = {};
const measured = {
  name: "sizes",
  enforce: "post",
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      const content = file.type === "chunk" ? file.code : file.source;
      const packages = {};
      for (const [id, module] of Object.entries(file.modules ?? {})) {
        const name = packageOf(id);
        packages[name] = (packages[name] ?? 0) + module.renderedLength;
      }
      files[file.fileName] = {
        bytes: Buffer.byteLength(content),
        packed: gzipSync(content, { level: 9 }).length,
        imports: [...(file.imports ?? []), ...(file.viteMetadata?.importedCss ?? [])],
        entry: file.isEntry ?? false,
        packages,
      };
    }
  },
};
await build({ logLevel: "error", plugins: [measured], build: { write: false } });
console.log(JSON.stringify(files));
