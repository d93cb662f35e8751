// One peer on libdatachannel: descriptions as JSON lines on the standard streams, and a channel that echoes.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.cwd()}/`);
const { PeerConnection } = require('node-datachannel');
const offers = process.argv[2] === 'offer';
const pc = new PeerConnection('peer', { iceServers: [] });

pc.onGatheringStateChange((state) => {
  if (state === 'complete') console.log(JSON.stringify(pc.localDescription()));
});
pc.onDataChannel(echo);
if (offers) echo(pc.createDataChannel('data'));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { type, sdp } = JSON.parse(line);
    pc.setRemoteDescription(sdp, type);
  })
  .on('close', () => {
    pc.close();
    process.exit(0);
  });

function echo(channel) {
  channel.onMessage((message) => {
    if (typeof message === 'string') channel.sendMessage(message);
    else channel.sendMessageBinary(Buffer.from(message));
  });
}
