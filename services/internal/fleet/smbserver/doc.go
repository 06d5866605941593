// Package smbserver speaks the server's half of SMB 2 and 3 for a host that only exists in memory.
//
// It is read only and complete enough for the clients that matter here: Samba's smbclient and the SMB library of the
// prober take it for a file server. Dialects 2.0.2, 2.1, 3.0, 3.0.2 and 3.1.1; NTLMv2, raw or inside SPNEGO; every
// message after sign-in is signed, the client's signatures are verified, credits and message ids are kept as
// [MS-SMB2] 3.3 asks. Encryption, leases, durable handles, DFS and writing do not exist.
//
// A [Server] stands for one host. It owns no listener: whoever accepts a connection hands it to [Server.ServeConn],
// which returns when the conversation has ended and leaves no goroutine behind. What the host holds it is told by a
// [Host]; each frame it sends passes through [Config.Intercept].
//
// No input can make it panic: all decoding is bounds checked, and what cannot be decoded is answered with the status
// the specification names or ends the connection.
package smbserver
