import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import babel from "@rolldown/plugin-babel";
import react, { reactCompilerPreset } from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const server = process.env.INSPECTOR_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), babel({ presets: [reactCompilerPreset()] }), serviceWorker(), packed()],
  build: { outDir: "../serving/static", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
  server: { host: "127.0.0.1", proxy: { "/v1": server } },
});

/** Writes NAME.gz beside what shrinks by it; serving/assets.py sends that to browsers that take it. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    // not generateBundle: Vite itself still changes the files there
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle)) {
        if (dir !== undefined && /^assets\/.*\.(?:js|css)$/.test(name)) {
          const file = join(dir, name);
          writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
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
