"""Publishes by WHIP or views by WHEP with GStreamer's webrtcbin: gst_whip.py publish|view URL, the token in WHIP_TOKEN."""

import os
import sys
import urllib.error
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = """
webrtcbin name=rtc bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=30/1 ! videoconvert
  ! vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=800000 ! rtpvp8pay
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! rtc.
audiotestsrc is-live=true wave=sine ! audioconvert ! audioresample ! opusenc ! rtpopuspay
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! rtc.
"""
# An element alone would be no pipeline.
VIEW = "webrtcbin name=rtc bundle-policy=max-bundle fakesrc num-buffers=0 ! fakesink"
TAKEN = [
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
    "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
]


def say(text):
    print(text, flush=True)


def post(url, sdp):
    headers = {"Content-Type": "application/sdp"}
    if os.environ.get("WHIP_TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["WHIP_TOKEN"]
    request = urllib.request.Request(url, sdp.encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code} {error.read().decode()}")


class Peer:
    def __init__(self, role, url):
        self.url = url
        self.decoded = 0
        self.asked = False
        self.pipeline = Gst.parse_launch(PUBLISH if role == "publish" else VIEW)
        self.rtc = self.pipeline.get_by_name("rtc")
        self.rtc.connect("on-negotiation-needed", self.negotiate)
        self.rtc.connect("notify::ice-gathering-state", self.gathered)
        self.rtc.connect("notify::connection-state", self.changed)
        if role == "view":
            self.rtc.connect("pad-added", self.incoming)
            for caps in TAKEN:
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.rtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
        else:
            index = 0
            while transceiver := self.rtc.emit("get-transceiver", index):
                transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
                index += 1
        self.pipeline.set_state(Gst.State.PLAYING)

    def negotiate(self, _):
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise, _):
        promise.wait()
        # What the offer points to is the reply's.
        reply = promise.get_reply()
        self.rtc.emit("set-local-description", reply["offer"], Gst.Promise.new())

    def gathered(self, *_):
        if self.rtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE or self.asked:
            return
        self.asked = True
        GLib.idle_add(self.ask)

    def ask(self):
        answer = post(self.url, self.rtc.get_property("local-description").sdp.as_text())
        _, sdp = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.rtc.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def changed(self, *_):
        state = self.rtc.get_property("connection-state").value_nick
        say(state)

    def incoming(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        media = pad.get_current_caps().get_structure(0).get_string("media")
        chain = "queue ! rtpvp8depay ! vp8dec ! fakesink name=sink sync=false signal-handoffs=true"
        if media != "video":
            chain = "queue ! rtpopusdepay ! opusdec ! fakesink sync=false"
        branch = Gst.parse_bin_from_description(chain, True)
        if media == "video":
            branch.get_by_name("sink").connect("handoff", self.picture)
        self.pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def picture(self, *_):
        self.decoded += 1
        if self.decoded % 30 == 0:
            say(f"decoded {self.decoded}")


Gst.init(None)
peer = Peer(sys.argv[1], sys.argv[2])
GLib.MainLoop().run()
