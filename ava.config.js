export default {
  extensions: ['ts'],
  files: ['test/**/*.test.ts'],
  // Only keeps a test that hangs from hanging for ever: a slow machine is no failure.
  timeout: '15m',
  workerThreads: false,
};
