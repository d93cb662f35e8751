"""One peer on aiortc: descriptions as JSON lines on the standard streams, and a channel that echoes."""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription


def echo(channel):
    channel.on("message", channel.send)


def tell(pc):
    local = pc.localDescription
    print(json.dumps({"type": local.type, "sdp": local.sdp}), flush=True)


async def main():
    pc = RTCPeerConnection()
    pc.on("datachannel", echo)
    if sys.argv[1] == "offer":
        echo(pc.createDataChannel("data"))
        await pc.setLocalDescription(await pc.createOffer())
        tell(pc)
    while line := await asyncio.to_thread(sys.stdin.readline):
        description = json.loads(line)
        await pc.setRemoteDescription(RTCSessionDescription(**description))
        if description["type"] == "offer":
            await pc.setLocalDescription(await pc.createAnswer())
            tell(pc)
    await pc.close()


asyncio.run(main())
