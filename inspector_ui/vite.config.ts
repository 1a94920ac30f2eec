import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.INSPECTOR_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: { outDir: "../serving/static", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
  server: { host: "127.0.0.1", proxy: { "/v1": server } },
});
