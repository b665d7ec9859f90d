import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { forward } from '../../src/forward/forward.ts';
import { Upstreams } from '../../src/forward/targets.ts';
import { upstreamConfig } from '../support/forwarding-front.ts';
import { RawClient } from '../support/raw-client.ts';
import { answering, plainAnswer, startRecordingUpstream } from '../support/recording-upstream.ts';

test('a defect in who is told of an end ends that request alone: it is told of the defect', async () => {
  const upstream = await startRecordingUpstream(answering(plainAnswer()));
  const upstreams = Upstreams.build({ app: upstreamConfig([upstream.origin]) });
  const defects: Error[] = [];
  const server = createServer((request, response) => {
    forward(
      {
        upstream: upstreams.get('app'),
        method: 'GET',
        path: '/',
        fields: [],
        request,
        response,
        maxBodyBytes: 0,
        contentLength: 0,
        answerFields: [],
        isLast: () => false,
        beforeBody: null,
      },
      {
        forwardEnded: () => {
          throw new Error('a bug');
        },
        forwardBroke: (defect) => defects.push(defect),
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  for (let count = 1; count <= 2; count++) {
    const answer = await RawClient.exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(answer, /\r\n\r\nok$/);
    assert.deepEqual(
      defects.map(({ message }) => message),
      Array.from({ length: count }, () => 'a bug'),
    );
  }
  await new Promise((resolve) => server.close(resolve));
  await upstreams.close();
  await upstream.close();
});
