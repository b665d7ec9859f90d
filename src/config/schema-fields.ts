// Looks a field up in the schema by its path.
import type { z } from 'zod';
import type { Path } from './problem.ts';

/** The names of the fields that the mapping at this path takes; none where it is no such mapping. */
export function fieldNamesAt(root: z.core.$ZodType, path: Path): readonly string[] {
  let schema = unwrapped(root);
  for (const step of path) {
    const { def } = schema._zod;
    let next: z.core.$ZodType | undefined;
    if (def.type === 'object') next = Object.hasOwn(def.shape, step) ? def.shape[step] : undefined;
    else if (def.type === 'record') next = def.valueType;
    else if (def.type === 'array') next = def.element;
    if (next === undefined) return [];
    schema = unwrapped(next);
  }
  const { def } = schema._zod;
  return def.type === 'object' ? Object.keys(def.shape) : [];
}

/** The schema behind defaults, options and transformations. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodTypes {
  const known = schema as z.core.$ZodTypes;
  const { def } = known._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
      return unwrapped(def.innerType);
    case 'pipe':
      return unwrapped(def.in);
    case 'lazy':
      return unwrapped(def.getter());
    default:
      return known;
  }
}
