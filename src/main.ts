#!/usr/bin/env node
// The command `portcullis`. Nothing is loaded before Node is known to be new enough for it.

const LEAST_NODE = 26;

if (Number(process.versions.node.split('.')[0]) < LEAST_NODE) {
  process.stderr.write(
    `portcullis: this is Node ${process.versions.node}, and Portcullis needs ${LEAST_NODE} or newer; install it from nodejs.org, or run npx portcullis in a project that has the package node\n`,
  );
  process.exitCode = 1;
} else {
  const { run } = await import('./cli/program.ts');
  process.exitCode = await run(process);
}
