package smbserver

// The few tags of DER that SPNEGO needs, [X.690].
const (
	derOctets     = 0x04
	derOID        = 0x06
	derEnumerated = 0x0A
	derSequence   = 0x30
	derApp0       = 0x60
	derContext0   = 0xA0
)

// cutDER takes the first element off b; ok is false if it is not whole or its length is written indefinitely.
func cutDER(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	if n >= 0x80 {
		octets := n & 0x7F
		if octets == 0 || octets > 3 || octets > len(b) {
			return 0, nil, nil, false
		}
		n = 0
		for _, octet := range b[:octets] {
			n = n<<8 | int(octet)
		}
		b = b[octets:]
	}
	if n > len(b) {
		return 0, nil, nil, false
	}
	return tag, b[:n], b[n:], true
}

// cutTagged takes the first element off b if it has this tag.
func cutTagged(b []byte, want byte) (content, rest []byte, ok bool) {
	tag, content, rest, ok := cutDER(b)
	return content, rest, ok && tag == want
}

// der writes one element around the contents.
func der(tag byte, contents ...[]byte) []byte {
	n := 0
	for _, content := range contents {
		n += len(content)
	}
	out := []byte{tag}
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	for _, content := range contents {
		out = append(out, content...)
	}
	return out
}
