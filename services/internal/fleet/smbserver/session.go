package smbserver

import "encoding/binary"

// session is one sign-in on one connection, [MS-SMB2] 3.3.1.8.
type session struct {
	id       uint64
	ntlm     ntlm
	mech     []byte   // DER of the client's mechanisms, if it speaks SPNEGO
	preauth  [64]byte // 3.1.1 only
	signer   *signer  // nil until signed in
	trees    map[uint32]*tree
	lastTree uint32
	lastFile uint64
}

const (
	maxSessions = 32
	maxTrees    = 64
	maxFiles    = 1024
)

// sessionSetup takes one step of a sign-in, [MS-SMB2] 3.3.5.5.
func (c *conversation) sessionSetup(req *request) answer {
	le := binary.LittleEndian
	if len(req.body) < 24 || le.Uint16(req.body) != 25 || req.broken != StatusOK {
		return refuse(StatusInvalidParameter)
	}
	const binding = 0x1 // of a further connection to a session, which multichannel needs
	if req.body[2]&binding != 0 {
		return refuse(StatusRequestNotAccepted)
	}
	token, ok := part(req.raw, int(le.Uint16(req.body[12:])), int(le.Uint16(req.body[14:])))
	if !ok {
		return refuse(StatusInvalidParameter)
	}
	s := c.sessions[req.sessionID]
	if req.sessionID == 0 {
		if len(c.sessions) >= maxSessions {
			return refuse(StatusInsufficientResources)
		}
		s = &session{id: c.server.counts.lastSession.Add(1), preauth: c.preauth, trees: map[uint32]*tree{}}
		c.sessions[s.id] = s
	}
	if s == nil || s.signer != nil {
		return refuse(StatusUserSessionDeleted)
	}
	if c.negotiated.dialect == dialect311 {
		s.preauth = extend(s.preauth, req.raw)
	}
	reply, err := c.signIn(s, token)
	status := statusOf(err)
	if status != StatusOK && status != StatusMoreProcessingRequired {
		delete(c.sessions, s.id)
		if status != StatusInvalidParameter {
			c.server.counts.failedSignIns.Add(1)
		}
		return answer{status: status, sessionID: s.id}
	}
	if status == StatusOK && !c.server.admit() {
		delete(c.sessions, s.id)
		return answer{status: StatusRequestNotAccepted, sessionID: s.id}
	}
	out := answer{status: status, sessionID: s.id, body: sessionSetupBody(reply)}
	if status == StatusOK {
		s.signer = newSigner(c.negotiated.dialect, s.ntlm.sessionKey, s.preauth[:])
		out.signer = s.signer
	}
	return out
}

func sessionSetupBody(token []byte) []byte {
	const fixed = 8
	le := binary.LittleEndian
	b := le.AppendUint16(nil, fixed+1)
	b = le.AppendUint16(b, 0) // neither guest nor anonymous
	b = le.AppendUint16(b, headerSize+fixed)
	b = le.AppendUint16(b, uint16(len(token)))
	return append(b, token...)
}

// hashReply keeps the preauthentication hashes, which cover the server's messages up to the last but one.
func (c *conversation) hashReply(req *request, reply answer, message []byte) {
	if c.negotiated.dialect != dialect311 || len(req.raw) < headerSize || req.flags&flagRelated != 0 {
		return
	}
	switch {
	case req.command == Negotiate && reply.status == StatusOK:
		c.preauth = extend(c.preauth, message)
	case req.command == SessionSetup && reply.status == StatusMoreProcessingRequired:
		if s := c.sessions[reply.sessionID]; s != nil {
			s.preauth = extend(s.preauth, message)
		}
	}
}

// drop ends a session.
func (c *conversation) drop(s *session) {
	delete(c.sessions, s.id)
	if s.signer != nil {
		c.server.counts.openSessions.Add(-1)
	}
}

// end ends the sessions that are left when the connection does.
func (c *conversation) end() {
	for _, s := range c.sessions {
		c.drop(s)
	}
}
