//! Out-of-band signalling: codes, sealing, rooms over WebSocket.
