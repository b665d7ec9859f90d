// The configuration's JSON Schema, for editors and for whoever writes the file by program.
import { z } from 'zod';
import { configSchema } from './schema.ts';

/** A JSON Schema (draft 2020-12), as far as this one goes. */
export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** The JSON Schema of a configuration file. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    override: ({ jsonSchema, path }) => {
      // A text may hold a variable, whatever else its pattern asks for; a name may not.
      // What wraps a field comes by here again.
      const { pattern } = jsonSchema;
      if (pattern !== undefined && !pattern.endsWith(OR_VARIABLE) && !path.includes('propertyNames'))
        jsonSchema.pattern = pattern + OR_VARIABLE;
    },
  });
  return {
    ...(schema as JsonSchema),
    title: 'Portcullis configuration',
    description: 'What docs/configuration.md describes.',
  };
}

const OR_VARIABLE = '|\\$\\{';

/** The JSON Schema as the text of a file. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}
