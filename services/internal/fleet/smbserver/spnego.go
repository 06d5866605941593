package smbserver

import "bytes"

// Object identifiers in DER, without their tag: SPNEGO (RFC 4178) and NTLMSSP ([MS-SPNG] 1.9).
const (
	oidSPNEGO  = "\x2b\x06\x01\x05\x05\x02"
	oidNTLMSSP = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"
)

// The states of a negotiation, RFC 4178 4.2.2.
const (
	spnegoCompleted  = 0
	spnegoIncomplete = 1
	spnegoRequestMIC = 3
)

// spnegoHint is what the server says first: that it takes NTLMSSP and nothing else.
func spnegoHint() []byte {
	mechTypes := der(derContext0, der(derSequence, der(derOID, []byte(oidNTLMSSP))))
	return der(derApp0, der(derOID, []byte(oidSPNEGO)), der(derContext0, der(derSequence, mechTypes)))
}

// spnegoToken is what a client's token says. mechTypes is the DER of its list of mechanisms, over which both sides
// prove later that nobody changed it; it stands only in the first token.
type spnegoToken struct {
	mechTypes []byte
	ntlmFirst bool // the token is meant for the first mechanism of the list, and that is NTLMSSP
	ntlmKnown bool
	mechToken []byte
	mic       []byte
}

// decodeSPNEGO reads a NegTokenInit or NegTokenResp, RFC 4178 4.2.
func decodeSPNEGO(b []byte) (t spnegoToken, ok bool) {
	if app, _, isInit := cutTagged(b, derApp0); isInit {
		oid, rest, ok := cutTagged(app, derOID)
		if !ok || string(oid) != oidSPNEGO {
			return t, false
		}
		body, _, ok := cutTagged(rest, derContext0)
		if !ok {
			return t, false
		}
		return decodeFields(body)
	}
	body, _, ok := cutTagged(b, derContext0+1)
	if !ok {
		return t, false
	}
	t, ok = decodeFields(body)
	return t, ok && t.mechTypes == nil
}

// decodeFields reads the sequence both kinds of token consist of: in either, field 2 is the mechanism's token and 3 the
// MIC; field 0 is the list of mechanisms or, in a NegTokenResp, the state.
func decodeFields(b []byte) (t spnegoToken, ok bool) {
	fields, _, ok := cutTagged(b, derSequence)
	for ok && len(fields) > 0 {
		var tag byte
		var content []byte
		if tag, content, fields, ok = cutDER(fields); !ok {
			break
		}
		switch tag {
		case derContext0:
			ok = t.decodeMechTypes(content)
		case derContext0 + 2:
			t.mechToken, _, ok = cutTagged(content, derOctets)
		case derContext0 + 3:
			t.mic, _, ok = cutTagged(content, derOctets)
		}
	}
	return t, ok
}

func (t *spnegoToken) decodeMechTypes(b []byte) bool {
	if len(b) > 0 && b[0] == derEnumerated {
		return true
	}
	list, _, ok := cutTagged(b, derSequence)
	t.mechTypes = b
	for first := true; ok && len(list) > 0; first = false {
		var oid []byte
		if oid, list, ok = cutTagged(list, derOID); ok && bytes.Equal(oid, []byte(oidNTLMSSP)) {
			t.ntlmKnown = true
			t.ntlmFirst = t.ntlmFirst || first
		}
	}
	return ok
}

// encodeSPNEGO writes a NegTokenResp. The mechanism is named only in the first answer.
func encodeSPNEGO(state byte, nameMech bool, mechToken, mic []byte) []byte {
	fields := der(derContext0, der(derEnumerated, []byte{state}))
	if nameMech {
		fields = append(fields, der(derContext0+1, der(derOID, []byte(oidNTLMSSP)))...)
	}
	if mechToken != nil {
		fields = append(fields, der(derContext0+2, der(derOctets, mechToken))...)
	}
	if mic != nil {
		fields = append(fields, der(derContext0+3, der(derOctets, mic))...)
	}
	return der(derContext0+1, der(derSequence, fields))
}
