package smbserver

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"strings"
	"time"

	"golang.org/x/crypto/md4" //nolint:staticcheck // NTLM is defined over MD4, [MS-NLMP] 3.3.2
)

const (
	ntlmSignature = "NTLMSSP\x00"

	// [MS-NLMP] 2.2.2.5.
	ntlmSign        = 0x00000010
	ntlmTargetInfo  = 0x00800000
	ntlmVersion     = 0x02000000
	ntlmKeyExchange = 0x40000000
	ntlmServerType  = 0x00020000
	ntlmSupported   = 0xE2888235 // unicode, target, sign, seal, NTLM, always sign, extended security, info, version, 128, exchange, 56

	// [MS-NLMP] 2.2.2.1.
	avEOL          = 0
	avComputerName = 1
	avDomainName   = 2
	avDNSComputer  = 3
	avDNSDomain    = 4
	avFlags        = 6
	avTimestamp    = 7
	avFlagMIC      = 0x2
)

// ntlm is the server's side of one NTLMv2 sign-in, [MS-NLMP] 3.2.5.
type ntlm struct {
	negotiate []byte
	challenge []byte
	flags     uint32

	sessionKey [16]byte // valid once authenticate succeeded
}

// start answers the client's NEGOTIATE_MESSAGE with a CHALLENGE_MESSAGE. The zero time leaves the timestamp out.
func (n *ntlm) start(message []byte, name string, now time.Time) (challenge []byte, ok bool) {
	if len(message) < 16 || string(message[:8]) != ntlmSignature || binary.LittleEndian.Uint32(message[8:]) != 1 {
		return nil, false
	}
	n.negotiate = bytes.Clone(message)
	n.flags = binary.LittleEndian.Uint32(message[12:])&ntlmSupported | ntlmServerType | ntlmTargetInfo

	target := encodeUTF16(strings.ToUpper(name))
	info := appendAV(nil, avDomainName, target)
	info = appendAV(info, avComputerName, target)
	info = appendAV(info, avDNSDomain, nil)
	info = appendAV(info, avDNSComputer, encodeUTF16(strings.ToLower(name)))
	if !now.IsZero() {
		info = appendAV(info, avTimestamp, binary.LittleEndian.AppendUint64(nil, filetime(now)))
	}
	info = appendAV(info, avEOL, nil)

	const payload = 56
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails
	le := binary.LittleEndian
	c := append([]byte(ntlmSignature), 2, 0, 0, 0)
	c = appendField(c, len(target), payload)
	c = le.AppendUint32(c, n.flags)
	c = append(c, nonce[:]...)
	c = append(c, make([]byte, 8)...)
	c = appendField(c, len(info), payload+len(target))
	c = append(c, 10, 0, 0x61, 0x4A, 0, 0, 0, 15) // a version, 10.0.19041, [MS-NLMP] 2.2.2.10
	c = append(c, target...)
	c = append(c, info...)
	n.challenge = c
	return c, true
}

func appendAV(b []byte, id uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

func appendField(b []byte, length, offset int) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	return binary.LittleEndian.AppendUint32(b, uint32(offset))
}

// authenticate checks the client's AUTHENTICATE_MESSAGE, [MS-NLMP] 3.2.5.1.2. It fails with StatusInvalidParameter for
// a message that is none and StatusLogonFailure for anything but the right name and password.
func (n *ntlm) authenticate(message []byte, find func(user string) (Account, bool)) (Account, error) {
	if n.challenge == nil || len(message) < 64 || string(message[:8]) != ntlmSignature ||
		binary.LittleEndian.Uint32(message[8:]) != 3 {
		return Account{}, StatusInvalidParameter
	}
	var fields [4][]byte
	for i, at := range []int{20, 28, 36, 52} {
		size := int(binary.LittleEndian.Uint16(message[at:]))
		field, ok := part(message, int(binary.LittleEndian.Uint32(message[at+4:])), size)
		if !ok {
			return Account{}, StatusInvalidParameter
		}
		fields[i] = field
	}
	response, domain, user, encryptedKey := fields[0], fields[1], decodeUTF16(fields[2]), fields[3]

	account, known := find(user)
	const proofSize, clientChallengeSize = 16, 28
	if !known || len(response) < proofSize+clientChallengeSize {
		return Account{}, StatusLogonFailure
	}
	key := passwordKey(account.Password, user, domain)
	proof := hmacMD5(key[:], n.challenge[24:32], response[proofSize:])
	if !hmac.Equal(proof[:], response[:proofSize]) {
		return Account{}, StatusLogonFailure
	}
	n.sessionKey = hmacMD5(key[:], proof[:])
	if n.flags&ntlmKeyExchange != 0 && binary.LittleEndian.Uint32(message[60:])&ntlmKeyExchange != 0 {
		if len(encryptedKey) != 16 {
			return Account{}, StatusInvalidParameter
		}
		newRC4(n.sessionKey[:]).XORKeyStream(n.sessionKey[:], bytes.Clone(encryptedKey))
	}
	if !n.checkMIC(message, response[proofSize+clientChallengeSize:]) {
		return Account{}, StatusLogonFailure
	}
	return account, nil
}

// checkMIC verifies that none of the three messages was changed on the way, if the client's attributes say that it
// protected them.
func (n *ntlm) checkMIC(message, attributes []byte) bool {
	le := binary.LittleEndian
	for len(attributes) >= 4 {
		id, value, rest := le.Uint16(attributes), attributes[4:], int(le.Uint16(attributes[2:]))
		if rest > len(value) || id == avEOL {
			break
		}
		value, attributes = value[:rest], value[rest:]
		if id != avFlags || len(value) != 4 || le.Uint32(value)&avFlagMIC == 0 {
			continue
		}
		const micAt, micEnd = 72, 88
		if len(message) < micEnd {
			return false
		}
		blank := bytes.Clone(message)
		clear(blank[micAt:micEnd])
		mic := hmacMD5(n.sessionKey[:], n.negotiate, n.challenge, blank)
		return hmac.Equal(mic[:], message[micAt:micEnd])
	}
	return true
}

// mic is the signature of the session's first message to or from the client, [MS-NLMP] 3.4.4.2. It is nil if no
// signing was agreed on.
func (n *ntlm) mic(data []byte, fromClient bool) []byte {
	if n.flags&ntlmSign == 0 {
		return nil
	}
	direction := "server-to-client"
	if fromClient {
		direction = "client-to-server"
	}
	constant := func(kind string) []byte {
		return []byte("session key to " + direction + " " + kind + " key magic constant\x00")
	}
	signKey := md5.Sum(append(n.sessionKey[:], constant("signing")...))
	sealKey := md5.Sum(append(n.sessionKey[:], constant("sealing")...))
	checksum := hmacMD5(signKey[:], make([]byte, 4), data)
	if n.flags&ntlmKeyExchange != 0 {
		newRC4(sealKey[:]).XORKeyStream(checksum[:8], checksum[:8])
	}
	out := append([]byte{1, 0, 0, 0}, checksum[:8]...)
	return append(out, 0, 0, 0, 0)
}

// passwordKey is NTOWFv2, [MS-NLMP] 3.3.2. The domain is taken as the client wrote it, in UTF-16.
func passwordKey(password, user string, domain []byte) [16]byte {
	h := md4.New()
	h.Write(encodeUTF16(password))
	return hmacMD5(h.Sum(nil), encodeUTF16(strings.ToUpper(user)), domain)
}

func hmacMD5(key []byte, parts ...[]byte) [16]byte {
	h := hmac.New(md5.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return [16]byte(h.Sum(nil))
}

func newRC4(key []byte) *rc4.Cipher {
	c, err := rc4.NewCipher(key)
	if err != nil {
		panic("smbserver: RC4 refuses a 16 byte key: " + err.Error())
	}
	return c
}
