import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  base: '/backup-monitor/',
  plugins: [react(), tailwindcss()],
  build: {
    target: ['chrome111', 'edge111', 'firefox114', 'safari16.4'],
    // The page is served with a CSP that allows no data: URLs and no inline code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/api': { target: process.env.API_URL ?? 'http://localhost:3004' } },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test/setup.ts'],
    // A window for each file would take four fifths of the time.
    isolate: false,
    // Dates are shown in the reader's zone; the tests read them in this one.
    env: { TZ: 'Asia/Kolkata' },
    testTimeout: 30_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
