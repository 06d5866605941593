package smbserver

import (
	"encoding/binary"
	"slices"
)

// ioctl answers the one control request this server knows, [MS-SMB2] 3.3.5.15.
func (c *conversation) ioctl(req *request) answer {
	const (
		dfsReferrals      = 0x00060194
		dfsReferralsEx    = 0x000601B0
		validateNegotiate = 0x00140204
	)
	le := binary.LittleEndian
	if len(req.body) < 56 {
		return refuse(StatusInvalidParameter)
	}
	input, ok := part(req.raw, int(le.Uint32(req.body[24:])), int(le.Uint32(req.body[28:])))
	if !ok {
		return refuse(StatusInvalidParameter)
	}
	switch le.Uint32(req.body[4:]) {
	case validateNegotiate:
		return c.validateNegotiate(req, input)
	case dfsReferrals, dfsReferralsEx:
		return refuse(StatusFSDriverRequired)
	}
	return refuse(StatusNotSupported)
}

// validateNegotiate lets a 3.0 client make sure that nobody changed the negotiation, [MS-SMB2] 3.3.5.15.12. If somebody
// did, the conversation ends.
func (c *conversation) validateNegotiate(req *request, input []byte) answer {
	le := binary.LittleEndian
	said := c.negotiated.client
	if len(input) < 24 {
		return refuse(StatusInvalidParameter)
	}
	offered, ok := part(input, 24, 2*int(le.Uint16(input[22:])))
	if !ok {
		return refuse(StatusInvalidParameter)
	}
	dialects := make([]uint16, 0, len(offered)/2)
	for ; len(offered) > 0; offered = offered[2:] {
		dialects = append(dialects, le.Uint16(offered))
	}
	if le.Uint32(input) != said.capabilities || [16]byte(input[4:20]) != said.guid ||
		le.Uint16(input[20:]) != said.securityMode || !slices.Equal(dialects, said.dialects) {
		return answer{end: errProtocol}
	}
	out := le.AppendUint32(nil, c.negotiated.capabilities)
	out = append(out, c.server.guid[:]...)
	out = le.AppendUint16(out, securityMode)
	out = le.AppendUint16(out, c.negotiated.dialect)

	const fixed = 48
	b := append(le.AppendUint16(make([]byte, 0, fixed+len(out)), fixed+1), 0, 0)
	b = append(b, req.body[4:24]...) // control code and file id
	b = le.AppendUint32(b, headerSize+fixed)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, headerSize+fixed)
	b = le.AppendUint32(b, uint32(len(out)))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	return answer{body: append(b, out...)}
}
