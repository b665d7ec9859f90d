// A disk of its own for a test, so small that it can be filled: a tmpfs, which only root may mount.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export class SmallDisk {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Mounts one at `directory`; the reason where that cannot be done here. */
  static mount(directory: string, sizeBytes: number): SmallDisk | string {
    mkdirSync(directory, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'portcullis-test', directory], {
        stdio: 'pipe',
      });
      return new SmallDisk(directory);
    } catch (error) {
      return `no small disk can be mounted here: ${(error as Error).message.split('\n').at(0)}`;
    }
  }

  /** Takes all the room there is, to the last byte. */
  fill(): void {
    const file = openSync(join(this.directory, 'filler'), 'a');
    try {
      for (let bytes = 64 * 1024; bytes >= 1;) {
        try {
          writeSync(file, Buffer.alloc(bytes));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          bytes = Math.floor(bytes / 2);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(join(this.directory, 'filler'));
  }

  makeReadOnly(): void {
    execFileSync('mount', ['-o', 'remount,ro', this.directory]);
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.directory]);
  }
}
