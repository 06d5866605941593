package events

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxCodeLength is how many characters an outlet code may have: the width of
// the OutletServer column, NVARCHAR(50), where those beyond the Basic
// Multilingual Plane count twice.
const MaxCodeLength = 50

// ErrBadCode says that a text cannot be an outlet code.
var ErrBadCode = errors.New("bad outlet code")

// CleanCode trims a code and checks that it can be one: not empty, at most
// MaxCodeLength characters, valid UTF-8, nothing unprintable. The spelling is
// kept. Errors wrap ErrBadCode.
func CleanCode(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", fmt.Errorf("%w: it is empty", ErrBadCode)
	case !utf8.ValidString(s):
		return "", fmt.Errorf("%w: it is not valid UTF-8", ErrBadCode)
	case units(s) > MaxCodeLength:
		return "", fmt.Errorf("%w: %q has more than %d characters", ErrBadCode, s, MaxCodeLength)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return "", fmt.Errorf("%w: %q contains an unprintable character", ErrBadCode, s)
		}
	}
	return s, nil
}

// units counts the UTF-16 code units of a text.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// Key is what makes two spellings of a code the same outlet: trimmed and
// upper-cased. Maps, subjects and event ids use it; payloads and tables keep
// the spelling.
func Key(code string) string {
	return strings.ToUpper(strings.TrimSpace(code))
}

// Token writes any text as one token of a NATS subject, without loss: ASCII
// letters, digits, '-' and '_' stand for themselves, every other byte is '~'
// and two hexadecimal digits. The empty text is a single '~'.
func Token(s string) string {
	if s == "" {
		return "~"
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isTokenByte(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('~')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// Untoken is the inverse of Token. What Token never writes is an error.
func Untoken(token string) (string, error) {
	if token == "~" {
		return "", nil
	}
	if token == "" {
		return "", errors.New("an empty subject token")
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		switch {
		case isTokenByte(c):
			b.WriteByte(c)
		case c == '~' && i+2 < len(token) && isUpperHex(token[i+1]) && isUpperHex(token[i+2]):
			v := unhex(token[i+1])<<4 | unhex(token[i+2])
			if isTokenByte(v) {
				return "", fmt.Errorf("subject token %q escapes %q needlessly", token, v)
			}
			b.WriteByte(v)
			i += 2
		default:
			return "", fmt.Errorf("subject token %q has a bad escape at byte %d", token, i)
		}
	}
	return b.String(), nil
}

func isTokenByte(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func isUpperHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'A' + 10
}
