package smbserver

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"slices"
)

// The dialects, [MS-SMB2] 2.2.3, and the answer to an SMB 1 client that offers "SMB 2.???", 2.2.4.
const (
	dialect202      = 0x0202
	dialect210      = 0x0210
	dialect300      = 0x0300
	dialect302      = 0x0302
	dialect311      = 0x0311
	dialectWildcard = 0x02FF

	securityMode      = 0x3 // signing enabled and required
	capabilityBigMTU  = 0x4
	contextPreauth    = 0x1
	preauthSHA512     = 0x1
	maxTransfer       = 1 << 20 // bytes, of a read or a query
	maxWrite          = 64 << 10
	maxTransfer202    = 64 << 10
	negotiateBodySize = 64
)

// negotiated is what both sides agreed on, and what the client had said, for FSCTL_VALIDATE_NEGOTIATE_INFO.
type negotiated struct {
	dialect      uint16 // 0 before the negotiation
	capabilities uint32
	client       struct {
		capabilities uint32
		guid         [16]byte
		securityMode uint16
		dialects     []uint16
	}
}

// maxTransfer is the most bytes one answer carries.
func (n *negotiated) maxTransfer() uint32 {
	if n.dialect <= dialect202 {
		return maxTransfer202
	}
	return maxTransfer
}

// answerSMB1 answers the first message of a client that would speak SMB 1 too, [MS-SMB2] 3.3.5.3.
func (c *conversation) answerSMB1(frame []byte) (*Response, error) {
	const wordCountAt, negotiateCommand = 32, 0x72
	if c.negotiated.dialect != 0 || len(frame) < wordCountAt+3 || frame[4] != negotiateCommand || !c.window.take(0, 1) {
		return nil, errProtocol
	}
	c.server.counts.requests[Negotiate].Add(1)
	var dialect uint16
	for name := range bytes.SplitSeq(frame[wordCountAt+3:], []byte{0}) {
		switch string(name) {
		case "\x02SMB 2.???":
			dialect = dialectWildcard
		case "\x02SMB 2.002":
			if dialect == 0 && slices.Contains(c.server.config.Dialects, dialect202) {
				dialect = dialect202
			}
		}
	}
	if dialect == 0 {
		return nil, errProtocol
	}
	if dialect == dialect202 {
		c.negotiated.dialect = dialect
	}
	out := header{command: Negotiate, flags: flagResponse, credits: c.window.grant(1)}.append(make([]byte, 4, 512))
	out = append(out, c.negotiateBody(dialect)...)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return &Response{Command: Negotiate, Frame: out, Sign: func([]byte) {}}, nil
}

// negotiate picks the highest dialect both sides speak, [MS-SMB2] 3.3.5.4.
func (c *conversation) negotiate(req *request) answer {
	if c.negotiated.dialect != 0 {
		return answer{end: errProtocol}
	}
	le := binary.LittleEndian
	if len(req.body) < 36 || le.Uint16(req.body) != 36 {
		return refuse(StatusInvalidParameter)
	}
	offered, ok := part(req.body, 36, 2*int(le.Uint16(req.body[2:])))
	if !ok || len(offered) == 0 {
		return refuse(StatusInvalidParameter)
	}
	var n negotiated
	n.client.securityMode = le.Uint16(req.body[4:])
	n.client.capabilities = le.Uint32(req.body[8:])
	n.client.guid = [16]byte(req.body[12:28])
	for ; len(offered) > 0; offered = offered[2:] {
		dialect := le.Uint16(offered)
		n.client.dialects = append(n.client.dialects, dialect)
		if slices.Contains(c.server.config.Dialects, dialect) {
			n.dialect = max(n.dialect, dialect)
		}
	}
	if n.dialect == 0 {
		return refuse(StatusNotSupported)
	}
	if n.dialect == dialect311 && !offersSHA512(req.raw) {
		return refuse(StatusInvalidParameter)
	}
	if n.dialect > dialect202 {
		n.capabilities = capabilityBigMTU
	}
	c.negotiated = n
	if n.dialect == dialect311 {
		c.preauth = extend(c.preauth, req.raw)
	}
	return answer{body: c.negotiateBody(n.dialect)}
}

// offersSHA512 looks through the negotiate contexts, [MS-SMB2] 2.2.3.1, for the one hash there is.
func offersSHA512(raw []byte) bool {
	le := binary.LittleEndian
	at, count := int(le.Uint32(raw[headerSize+28:])), int(le.Uint16(raw[headerSize+32:]))
	for range count {
		head, ok := part(raw, at, 8)
		if !ok {
			return false
		}
		data, ok := part(raw, at+8, int(le.Uint16(head[2:])))
		if !ok {
			return false
		}
		if le.Uint16(head) == contextPreauth && len(data) >= 4 {
			hashes, ok := part(data, 4, 2*int(le.Uint16(data)))
			for ; ok && len(hashes) > 0; hashes = hashes[2:] {
				if le.Uint16(hashes) == preauthSHA512 {
					return true
				}
			}
			return false
		}
		at += (8 + len(data) + 7) &^ 7
	}
	return false
}

// negotiateBody is the answer of [MS-SMB2] 2.2.4.
func (c *conversation) negotiateBody(dialect uint16) []byte {
	n := negotiated{dialect: dialect}
	capabilities := uint32(0)
	if dialect > dialect202 && dialect != dialectWildcard {
		capabilities = capabilityBigMTU
	}
	hint := spnegoHint()
	contexts, contextCount := []byte(nil), uint16(0)
	if dialect == dialect311 {
		contexts, contextCount = preauthContext(), 1
	}
	contextsAt := (headerSize + negotiateBodySize + len(hint) + 7) &^ 7

	le := binary.LittleEndian
	b := le.AppendUint16(make([]byte, 0, 256), negotiateBodySize+1)
	b = le.AppendUint16(b, securityMode)
	b = le.AppendUint16(b, dialect)
	b = le.AppendUint16(b, contextCount)
	b = append(b, c.server.guid[:]...)
	b = le.AppendUint32(b, capabilities)
	b = le.AppendUint32(b, n.maxTransfer())
	b = le.AppendUint32(b, n.maxTransfer())
	b = le.AppendUint32(b, maxWrite)
	b = le.AppendUint64(b, filetime(c.server.config.Host.Clock()))
	b = le.AppendUint64(b, 0) // ServerStartTime is not told
	b = le.AppendUint16(b, headerSize+negotiateBodySize)
	b = le.AppendUint16(b, uint16(len(hint)))
	if contexts == nil {
		contextsAt = 0
	}
	b = le.AppendUint32(b, uint32(contextsAt))
	b = append(b, hint...)
	if contexts != nil {
		b = append(b, make([]byte, contextsAt-headerSize-len(b))...)
		b = append(b, contexts...)
	}
	return b
}

func preauthContext() []byte {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails
	le := binary.LittleEndian
	b := le.AppendUint16(nil, contextPreauth)
	b = le.AppendUint16(b, uint16(6+len(salt)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, uint16(len(salt)))
	b = le.AppendUint16(b, preauthSHA512)
	return append(b, salt...)
}

// extend adds a message to a preauthentication hash, [MS-SMB2] 3.3.5.4.
func extend(hash [64]byte, message []byte) [64]byte {
	return sha512.Sum512(append(hash[:], message...))
}
