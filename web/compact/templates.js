// What each origin writes anyway, line by line: crates/signal/src/compact/templates, written here by test/templates.mjs.

export const TEMPLATES = {
  native: `
[session]
|a=group:BUNDLE{mids}
m|a=extmap-allow-mixed
[audio]
|a=ice-ufrag:{ufrag}
|a=ice-pwd:{pwd}
|a=ice-options:{options}
|a=fingerprint:{fingerprint}
|a=setup:{setup}
|a=mid:{mid}
|a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
|a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
|a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
|a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
|a={direction}
s|a=msid:{stream} {track}
|a=rtcp-mux
|a=rtcp-rsize
|a=rtpmap:111 opus/48000/2
|a=rtcp-fb:111 transport-cc
|a=fmtp:111 minptime=10;useinbandfec=1
|a=rtpmap:63 red/48000/2
|a=fmtp:63 111/111
|a=rtpmap:0 PCMU/8000
|a=rtpmap:8 PCMA/8000
|a=rtpmap:110 telephone-event/48000
|a=fmtp:110 0-15
|a=rtpmap:126 telephone-event/8000
|a=fmtp:126 0-15
s|a=ssrc:{ssrc} cname:{cname}
[video]
|a=ice-ufrag:{ufrag}
|a=ice-pwd:{pwd}
|a=ice-options:{options}
|a=fingerprint:{fingerprint}
|a=setup:{setup}
|a=mid:{mid}
|a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
|a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
|a=extmap:13 urn:3gpp:video-orientation
|a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
|a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
|a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
|a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
|a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
|a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
|a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time
|a={direction}
s|a=msid:{stream} {track}
|a=rtcp-mux
|a=rtcp-rsize
|a=rtpmap:96 VP8/90000
|a=rtcp-fb:96 goog-remb
|a=rtcp-fb:96 transport-cc
|a=rtcp-fb:96 ack ccfb
|a=rtcp-fb:96 ccm fir
|a=rtcp-fb:96 nack
|a=rtcp-fb:96 nack pli
|a=rtpmap:97 rtx/90000
|a=fmtp:97 apt=96
|a=rtpmap:98 VP9/90000
|a=rtcp-fb:98 goog-remb
|a=rtcp-fb:98 transport-cc
|a=rtcp-fb:98 ack ccfb
|a=rtcp-fb:98 ccm fir
|a=rtcp-fb:98 nack
|a=rtcp-fb:98 nack pli
|a=fmtp:98 profile-id=0
|a=rtpmap:99 rtx/90000
|a=fmtp:99 apt=98
|a=rtpmap:108 H264/90000
|a=rtcp-fb:108 goog-remb
|a=rtcp-fb:108 transport-cc
|a=rtcp-fb:108 ack ccfb
|a=rtcp-fb:108 ccm fir
|a=rtcp-fb:108 nack
|a=rtcp-fb:108 nack pli
|a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
|a=rtpmap:109 rtx/90000
|a=fmtp:109 apt=108
|a=rtpmap:114 H264/90000
|a=rtcp-fb:114 goog-remb
|a=rtcp-fb:114 transport-cc
|a=rtcp-fb:114 ack ccfb
|a=rtcp-fb:114 ccm fir
|a=rtcp-fb:114 nack
|a=rtcp-fb:114 nack pli
|a=fmtp:114 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f
|a=rtpmap:115 rtx/90000
|a=fmtp:115 apt=114
|a=rtpmap:102 H264/90000
|a=rtcp-fb:102 goog-remb
|a=rtcp-fb:102 transport-cc
|a=rtcp-fb:102 ack ccfb
|a=rtcp-fb:102 ccm fir
|a=rtcp-fb:102 nack
|a=rtcp-fb:102 nack pli
|a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
|a=rtpmap:103 rtx/90000
|a=fmtp:103 apt=102
|a=rtpmap:104 H264/90000
|a=rtcp-fb:104 goog-remb
|a=rtcp-fb:104 transport-cc
|a=rtcp-fb:104 ack ccfb
|a=rtcp-fb:104 ccm fir
|a=rtcp-fb:104 nack
|a=rtcp-fb:104 nack pli
|a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
|a=rtpmap:107 rtx/90000
|a=fmtp:107 apt=104
|a=rtpmap:45 AV1/90000
|a=rtcp-fb:45 goog-remb
|a=rtcp-fb:45 transport-cc
|a=rtcp-fb:45 ack ccfb
|a=rtcp-fb:45 ccm fir
|a=rtcp-fb:45 nack
|a=rtcp-fb:45 nack pli
|a=fmtp:45 level-idx=5;profile=0;tier=0
|a=rtpmap:46 rtx/90000
|a=fmtp:46 apt=45
|a=rtpmap:118 red/90000
|a=rtpmap:119 rtx/90000
|a=fmtp:119 apt=118
|a=rtpmap:120 ulpfec/90000
|a=rtpmap:121 flexfec/90000
|a=rtcp-fb:121 goog-remb
|a=rtcp-fb:121 transport-cc
|a=rtcp-fb:121 ack ccfb
|a=fmtp:121 repair-window=1000000
|a=rtpmap:122 flexfec-03/90000
|a=rtcp-fb:122 goog-remb
|a=rtcp-fb:122 transport-cc
|a=rtcp-fb:122 ack ccfb
|a=fmtp:122 repair-window=10000000
s|a=ssrc-group:FID {ssrc} {rtx}
s|a=ssrc-group:FEC-FR {ssrc} {fec}
s|a=ssrc:{ssrc} cname:{cname}
s|a=ssrc:{rtx} cname:{cname}
s|a=ssrc:{fec} cname:{cname}
[application]
|a=ice-ufrag:{ufrag}
|a=ice-pwd:{pwd}
|a=ice-options:{options}
|a=fingerprint:{fingerprint}
|a=setup:{setup}
|a=mid:{mid}
|a=sctp-port:5000
|a=max-message-size:262144
[refused]
|a=mid:{mid}
|a=inactive
[more]
|a=inactive
|a=ice-lite
|a=end-of-candidates
`.trim(),
  chromium: `
[session]
|a=group:BUNDLE{mids}
|a=extmap-allow-mixed
|a=msid-semantic: WMS{streams}
[audio]
|a=rtcp:9 IN IP4 0.0.0.0
|a=ice-ufrag:{ufrag}
|a=ice-pwd:{pwd}
|a=ice-options:{options}
|a=fingerprint:{fingerprint}
|a=setup:{setup}
|a=mid:{mid}
|a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
|a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
x|a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
|a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
|a={direction}
s|a=msid:{stream} {track}
|a=rtcp-mux
|a=rtcp-rsize
|a=rtcp-xr:rcvr-rtt=all
|a=rtpmap:111 opus/48000/2
x|a=rtcp-fb:111 transport-cc
1|a=rtcp-fb:111 ack ccfb
|a=fmtp:111 minptime=10;useinbandfec=1
|a=rtpmap:63 red/48000/2
1|a=rtcp-fb:63 ack ccfb
|a=fmtp:63 111/111
|a=rtpmap:9 G722/8000
1|a=rtcp-fb:9 ack ccfb
|a=rtpmap:0 PCMU/8000
1|a=rtcp-fb:0 ack ccfb
|a=rtpmap:8 PCMA/8000
1|a=rtcp-fb:8 ack ccfb
|a=rtpmap:13 CN/8000
1|a=rtcp-fb:13 ack ccfb
|a=rtpmap:110 telephone-event/48000
1|a=rtcp-fb:110 ack ccfb
|a=rtpmap:126 telephone-event/8000
1|a=rtcp-fb:126 ack ccfb
s|a=ssrc:{ssrc} cname:{cname}
so|a=ssrc:{ssrc} msid:{stream} {track}
[video]
|a=rtcp:9 IN IP4 0.0.0.0
|a=ice-ufrag:{ufrag}
|a=ice-pwd:{pwd}
|a=ice-options:{options}
|a=fingerprint:{fingerprint}
|a=setup:{setup}
|a=mid:{mid}
|a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
|a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
|a=extmap:13 urn:3gpp:video-orientation
x|a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
|a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
|a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type
|a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing
|a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space
|a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
|a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
|a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
|a={direction}
s|a=msid:{stream} {track}
|a=rtcp-mux
|a=rtcp-rsize
|a=rtcp-xr:rcvr-rtt=all
|a=rtpmap:96 VP8/90000
|a=rtcp-fb:96 goog-remb
x|a=rtcp-fb:96 transport-cc
|a=rtcp-fb:96 ccm fir
|a=rtcp-fb:96 nack
|a=rtcp-fb:96 nack pli
1|a=rtcp-fb:96 ack ccfb
|a=rtpmap:97 rtx/90000
1|a=rtcp-fb:97 ack ccfb
|a=fmtp:97 apt=96
|a=rtpmap:102 H264/90000
|a=rtcp-fb:102 goog-remb
x|a=rtcp-fb:102 transport-cc
|a=rtcp-fb:102 ccm fir
|a=rtcp-fb:102 nack
|a=rtcp-fb:102 nack pli
1|a=rtcp-fb:102 ack ccfb
|a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
|a=rtpmap:103 rtx/90000
1|a=rtcp-fb:103 ack ccfb
|a=fmtp:103 apt=102
|a=rtpmap:104 H264/90000
|a=rtcp-fb:104 goog-remb
x|a=rtcp-fb:104 transport-cc
|a=rtcp-fb:104 ccm fir
|a=rtcp-fb:104 nack
|a=rtcp-fb:104 nack pli
1|a=rtcp-fb:104 ack ccfb
|a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
|a=rtpmap:107 rtx/90000
1|a=rtcp-fb:107 ack ccfb
|a=fmtp:107 apt=104
|a=rtpmap:108 H264/90000
|a=rtcp-fb:108 goog-remb
x|a=rtcp-fb:108 transport-cc
|a=rtcp-fb:108 ccm fir
|a=rtcp-fb:108 nack
|a=rtcp-fb:108 nack pli
1|a=rtcp-fb:108 ack ccfb
|a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
|a=rtpmap:109 rtx/90000
1|a=rtcp-fb:109 ack ccfb
|a=fmtp:109 apt=108
|a=rtpmap:114 H264/90000
|a=rtcp-fb:114 goog-remb
x|a=rtcp-fb:114 transport-cc
|a=rtcp-fb:114 ccm fir
|a=rtcp-fb:114 nack
|a=rtcp-fb:114 nack pli
1|a=rtcp-fb:114 ack ccfb
|a=fmtp:114 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f
|a=rtpmap:115 rtx/90000
1|a=rtcp-fb:115 ack ccfb
|a=fmtp:115 apt=114
|a=rtpmap:116 H264/90000
|a=rtcp-fb:116 goog-remb
x|a=rtcp-fb:116 transport-cc
|a=rtcp-fb:116 ccm fir
|a=rtcp-fb:116 nack
|a=rtcp-fb:116 nack pli
1|a=rtcp-fb:116 ack ccfb
|a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f
|a=rtpmap:117 rtx/90000
1|a=rtcp-fb:117 ack ccfb
|a=fmtp:117 apt=116
|a=rtpmap:39 H264/90000
|a=rtcp-fb:39 goog-remb
x|a=rtcp-fb:39 transport-cc
|a=rtcp-fb:39 ccm fir
|a=rtcp-fb:39 nack
|a=rtcp-fb:39 nack pli
1|a=rtcp-fb:39 ack ccfb
|a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f
|a=rtpmap:40 rtx/90000
1|a=rtcp-fb:40 ack ccfb
|a=fmtp:40 apt=39
|a=rtpmap:45 AV1/90000
|a=rtcp-fb:45 goog-remb
x|a=rtcp-fb:45 transport-cc
|a=rtcp-fb:45 ccm fir
|a=rtcp-fb:45 nack
|a=rtcp-fb:45 nack pli
1|a=rtcp-fb:45 ack ccfb
|a=fmtp:45 level-idx=5;profile=0;tier=0
|a=rtpmap:46 rtx/90000
1|a=rtcp-fb:46 ack ccfb
|a=fmtp:46 apt=45
|a=rtpmap:98 VP9/90000
|a=rtcp-fb:98 goog-remb
x|a=rtcp-fb:98 transport-cc
|a=rtcp-fb:98 ccm fir
|a=rtcp-fb:98 nack
|a=rtcp-fb:98 nack pli
1|a=rtcp-fb:98 ack ccfb
|a=fmtp:98 profile-id=0
|a=rtpmap:99 rtx/90000
1|a=rtcp-fb:99 ack ccfb
|a=fmtp:99 apt=98
|a=rtpmap:100 VP9/90000
|a=rtcp-fb:100 goog-remb
x|a=rtcp-fb:100 transport-cc
|a=rtcp-fb:100 ccm fir
|a=rtcp-fb:100 nack
|a=rtcp-fb:100 nack pli
1|a=rtcp-fb:100 ack ccfb
|a=fmtp:100 profile-id=2
|a=rtpmap:101 rtx/90000
1|a=rtcp-fb:101 ack ccfb
|a=fmtp:101 apt=100
|a=rtpmap:118 red/90000
1|a=rtcp-fb:118 ack ccfb
|a=rtpmap:119 rtx/90000
1|a=rtcp-fb:119 ack ccfb
|a=fmtp:119 apt=118
|a=rtpmap:120 ulpfec/90000
1|a=rtcp-fb:120 ack ccfb
s|a=ssrc-group:FID {ssrc} {rtx}
s|a=ssrc:{ssrc} cname:{cname}
so|a=ssrc:{ssrc} msid:{stream} {track}
s|a=ssrc:{rtx} cname:{cname}
so|a=ssrc:{rtx} msid:{stream} {track}
[application]
|a=ice-ufrag:{ufrag}
|a=ice-pwd:{pwd}
|a=ice-options:{options}
|a=fingerprint:{fingerprint}
|a=setup:{setup}
|a=mid:{mid}
|a=sctp-port:5000
|a=max-message-size:262144
[refused]
|a=mid:{mid}
|a=inactive
[more]
|a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
|a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00
|a=extmap:15 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time
|a=rtpmap:49 H265/90000
|a=fmtp:49 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST
|a=rtpmap:35 flexfec-03/90000
|a=fmtp:35 repair-window=10000000
|a=rtcp-fb:96 rrtr
|a=bundle-only
|a=ssrc:{ssrc} mslabel:{stream}
|a=ssrc:{ssrc} label:{track}
`.trim(),
  firefox: `
[session]
|a=fingerprint:{fingerprint}
|a=group:BUNDLE{mids}
|a=ice-options:{options}
|a=msid-semantic:WMS *
[audio]
|a={direction}
|a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
o|a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level
|a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
|a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
|a=extmap-allow-mixed
|a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
|a=fmtp:101 0-15
|a=ice-pwd:{pwd}
|a=ice-ufrag:{ufrag}
|a=mid:{mid}
s|a=msid:{stream} {track}
|a=rtcp-fb:109 transport-cc
|a=rtcp-fb:9 transport-cc
|a=rtcp-fb:0 transport-cc
|a=rtcp-fb:8 transport-cc
|a=rtcp-mux
|a=rtpmap:109 opus/48000/2
|a=rtpmap:9 G722/8000/1
|a=rtpmap:0 PCMU/8000
|a=rtpmap:8 PCMA/8000
|a=rtpmap:101 telephone-event/8000/1
|a=setup:{setup}
s|a=ssrc:{ssrc} cname:{cname}
[video]
|a={direction}
|a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
|a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
|a=extmap:5 urn:ietf:params:rtp-hdrext:toffset
o|a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
|a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
|a=extmap-allow-mixed
|a=fmtp:120 max-fs=12288;max-fr=60
|a=fmtp:124 apt=120
|a=fmtp:121 max-fs=12288;max-fr=60
|a=fmtp:125 apt=121
|a=fmtp:100 apt=99
|a=fmtp:119 apt=122
|a=ice-pwd:{pwd}
|a=ice-ufrag:{ufrag}
|a=mid:{mid}
s|a=msid:{stream} {track}
|a=rtcp-fb:120 nack
|a=rtcp-fb:120 nack pli
|a=rtcp-fb:120 ccm fir
|a=rtcp-fb:120 goog-remb
|a=rtcp-fb:120 transport-cc
|a=rtcp-fb:121 nack
|a=rtcp-fb:121 nack pli
|a=rtcp-fb:121 ccm fir
|a=rtcp-fb:121 goog-remb
|a=rtcp-fb:121 transport-cc
|a=rtcp-fb:99 nack
|a=rtcp-fb:99 nack pli
|a=rtcp-fb:99 ccm fir
|a=rtcp-fb:99 goog-remb
|a=rtcp-fb:99 transport-cc
|a=rtcp-fb:123 nack
|a=rtcp-fb:123 nack pli
|a=rtcp-fb:123 ccm fir
|a=rtcp-fb:123 goog-remb
|a=rtcp-fb:123 transport-cc
|a=rtcp-fb:122 nack
|a=rtcp-fb:122 nack pli
|a=rtcp-fb:122 ccm fir
|a=rtcp-fb:122 goog-remb
|a=rtcp-fb:122 transport-cc
|a=rtcp-mux
|a=rtcp-rsize
|a=rtpmap:120 VP8/90000
|a=rtpmap:124 rtx/90000
|a=rtpmap:121 VP9/90000
|a=rtpmap:125 rtx/90000
|a=rtpmap:99 AV1/90000
|a=rtpmap:100 rtx/90000
|a=rtpmap:123 ulpfec/90000
|a=rtpmap:122 red/90000
|a=rtpmap:119 rtx/90000
|a=setup:{setup}
s|a=ssrc:{ssrc} cname:{cname}
s|a=ssrc:{rtx} cname:{cname}
s|a=ssrc-group:FID {ssrc} {rtx}
[application]
|a={direction}
|a=ice-pwd:{pwd}
|a=ice-ufrag:{ufrag}
|a=mid:{mid}
|a=setup:{setup}
|a=sctp-port:5000
|a=max-message-size:1073741823
[refused]
|a=mid:{mid}
|a=inactive
[more]
|a=rtpmap:126 H264/90000
|a=rtpmap:97 H264/90000
|a=rtpmap:105 H264/90000
|a=rtpmap:103 H264/90000
|a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1
|a=fmtp:127 apt=126
|a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1
|a=fmtp:98 apt=97
|a=fmtp:105 profile-level-id=42001f;level-asymmetry-allowed=1;packetization-mode=1
|a=fmtp:106 apt=105
|a=fmtp:103 profile-level-id=42001f;level-asymmetry-allowed=1
|a=fmtp:104 apt=103
|a=bundle-only
|a=inactive
`.trim(),
};
