import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const server = process.env.INSPECTOR_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), serviceWorker(), packed()],
  build: { outDir: "../serving/static", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
  server: { host: "127.0.0.1", proxy: { "/v1": server } },
});

/** Writes NAME.gz beside what shrinks by it; serving/assets.py sends that to browsers that take it. */
function packed(): Plugin {
  const worthIt = /\.(?:js|css)$/;
  return {
    name: "packed",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const [fileName, file] of Object.entries(bundle)) {
        if (fileName.startsWith("assets/") && worthIt.test(fileName)) {
          const source = gzipSync(file.type === "chunk" ? file.code : file.source, { level: 9 });
          this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source });
        }
      }
    },
  };
}

/** Writes sw.js with the names of all files that the app consists of; a new build is a new cache. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      const built = Object.keys(bundle).filter((name) => name !== "index.html");
      const files = ["/", ...[...built, ...readdirSync("public")].map((name) => `/${name}`)].sort();
      const page = bundle["index.html"];
      const version = createHash("sha256")
        .update(files.join("\n"))
        .update(page?.type === "asset" ? page.source : "");
      const source = readFileSync("src/offline/serviceWorker.js", "utf8")
        .replace("__CACHE__", `shell-${version.digest("hex").slice(0, 12)}`)
        .replace("__FILES__", JSON.stringify(files));
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}
