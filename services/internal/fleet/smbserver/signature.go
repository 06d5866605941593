package smbserver

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"sync"
)

// signer signs and verifies the messages of one session, [MS-SMB2] 3.1.4.1: one goroutine verifies requests while an
// interceptor signs changed answers.
type signer struct {
	mu  sync.Mutex // mac has memory of its own
	mac func(message []byte) [16]byte
}

// newSigner derives the session's signing key from the key NTLM agreed on, [MS-SMB2] 3.1.4.2 and 3.3.5.5.3. preauth is
// the session's preauthentication hash, which only 3.1.1 uses.
func newSigner(dialect uint16, sessionKey [16]byte, preauth []byte) *signer {
	switch {
	case dialect == dialect311:
		return &signer{mac: newCMAC(deriveKey(sessionKey, "SMBSigningKey\x00", preauth))}
	case dialect >= dialect300:
		return &signer{mac: newCMAC(deriveKey(sessionKey, "SMB2AESCMAC\x00", []byte("SmbSign\x00")))}
	default:
		return &signer{mac: func(message []byte) [16]byte {
			h := hmac.New(sha256.New, sessionKey[:])
			h.Write(message)
			return [16]byte(h.Sum(nil))
		}}
	}
}

// sign marks the message as signed and puts its signature in.
func (s *signer) sign(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	flags := binary.LittleEndian.Uint32(message[16:])
	binary.LittleEndian.PutUint32(message[16:], flags|flagSigned)
	clear(message[signatureOffset:headerSize])
	mac := s.mac(message)
	copy(message[signatureOffset:headerSize], mac[:])
}

// verify reports whether the message bears its right signature; the message is left as it was.
func (s *signer) verify(message []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := [16]byte(message[signatureOffset:headerSize])
	clear(message[signatureOffset:headerSize])
	mac := s.mac(message)
	copy(message[signatureOffset:headerSize], told[:])
	return subtle.ConstantTimeCompare(told[:], mac[:]) == 1
}

// deriveKey is the KDF in counter mode of NIST SP 800-108 with HMAC-SHA256, r = 32 and L = 128.
func deriveKey(key [16]byte, label string, context []byte) [16]byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte{0, 0, 0, 1})
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write(context)
	h.Write([]byte{0, 0, 0, 128})
	return [16]byte(h.Sum(nil))
}

// newCMAC gives AES-128-CMAC under the key, RFC 4493.
func newCMAC(key [16]byte) func(message []byte) [16]byte {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("smbserver: AES refuses a 16 byte key: " + err.Error())
	}
	var k1 [16]byte
	block.Encrypt(k1[:], k1[:])
	k1 = doubled(k1)
	k2 := doubled(k1)
	scratch := make([]byte, 4096)

	return func(message []byte) [16]byte {
		var last [16]byte
		whole := max(0, (len(message)-1)/aes.BlockSize*aes.BlockSize)
		n := copy(last[:], message[whole:])
		subkey := k1
		if n < aes.BlockSize {
			last[n] = 0x80
			subkey = k2
		}
		subtle.XORBytes(last[:], last[:], subkey[:])

		chain := cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize))
		for rest := message[:whole]; len(rest) > 0; {
			n := min(len(rest), len(scratch))
			chain.CryptBlocks(scratch[:n], rest[:n])
			rest = rest[n:]
		}
		chain.CryptBlocks(last[:], last[:])
		return last
	}
}

// doubled multiplies by x in the field RFC 4493 uses.
func doubled(b [16]byte) [16]byte {
	var out [16]byte
	carry := byte(0)
	for i := 15; i >= 0; i-- {
		out[i] = b[i]<<1 | carry
		carry = b[i] >> 7
	}
	out[15] ^= carry * 0x87
	return out
}
