// One peer on werift: descriptions as JSON lines on the standard streams, and a channel that echoes.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.cwd()}/`);
const { RTCPeerConnection } = require('werift');
const offers = process.argv[2] === 'offer';
const pc = new RTCPeerConnection({ iceServers: [] });

pc.onDataChannel.subscribe(echo);
if (offers) {
  echo(pc.createDataChannel('data'));
  await pc.setLocalDescription(await pc.createOffer());
  await tell();
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const description = JSON.parse(line);
    await pc.setRemoteDescription(description);
    if (description.type !== 'offer') return;
    await pc.setLocalDescription(await pc.createAnswer());
    await tell();
  })
  .on('close', async () => {
    await pc.close();
    process.exit(0);
  });

async function tell() {
  while (pc.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 20));
  const { type, sdp } = pc.localDescription;
  console.log(JSON.stringify({ type, sdp }));
}

function echo(channel) {
  channel.onMessage.subscribe((message) => channel.send(message));
}
