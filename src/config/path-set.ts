// Paths that are asked what stands above or below one: a walk down a tree, so that a file in which everything is wrong takes
// no longer than one in which as much is right.
import type { Path } from './problem.ts';

export class PathSet {
  readonly #root: Branch = { isIn: false, next: new Map() };

  constructor(paths: Iterable<Path> = []) {
    this.addAll(paths);
  }

  addAll(paths: Iterable<Path>): void {
    for (const path of paths) {
      let branch = this.#root;
      for (const step of path) {
        let next = branch.next.get(step);
        if (!next) branch.next.set(step, (next = { isIn: false, next: new Map() }));
        branch = next;
      }
      branch.isIn = true;
    }
  }

  /** Whether one of the paths is this one, leads to it or goes on from it. */
  touches(path: Path): boolean {
    let branch = this.#root;
    for (const step of path) {
      if (branch.isIn) return true;
      const next = branch.next.get(step);
      if (!next) return false;
      branch = next;
    }
    return branch.isIn || branch.next.size > 0;
  }
}

interface Branch {
  isIn: boolean;
  readonly next: Map<string | number, Branch>;
}
