package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MinPasswordLength is the least number of characters of a password that
// somebody chooses. Source: NIST SP 800-63B, section 5.1.1.1.
const MinPasswordLength = 8

// ErrBadPassword says that a text cannot be a password. What it wraps with it
// is a sentence for whoever chose it.
var ErrBadPassword = errors.New("not a good password")

// CheckPassword holds a password that somebody chooses for a user against the
// rules. Errors wrap ErrBadPassword.
func CheckPassword(userID, password string) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrBadPassword, fmt.Errorf(format, args...))
	}
	lower, id := strings.ToLower(password), strings.ToLower(strings.TrimSpace(userID))
	switch {
	case len(password) > maxPasswordBytes:
		return bad("it must have at most %d bytes", maxPasswordBytes)
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return bad("it must have no control characters")
	case utf8.RuneCountInString(password) < MinPasswordLength:
		return bad("it must have at least %d characters", MinPasswordLength)
	case id != "" && (core(lower) == core(id) || strings.Contains(lower, id) && len(lower)-len(id) < MinPasswordLength/2):
		return bad("it must not be the user id with little added")
	case isCommon(lower):
		return bad("it is one of the first that anybody would try")
	}
	return nil
}

// core is what is left of a password without the digits and signs that people
// add around it, and with letters in place of the signs that look like them.
func core(lower string) string {
	s := strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace(
		strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("@$", r) }))
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

// isCommon tells passwords that lead every published list, in their variants:
// few characters repeated, rows of a keyboard or an alphabet, and well-known
// words with digits around them.
func isCommon(lower string) bool {
	distinct := map[rune]bool{}
	for _, r := range lower {
		distinct[r] = true
	}
	if len(distinct) < 4 || isRow(lower) {
		return true
	}
	base := core(lower)
	half := len(base) / 2
	if len(base)%2 == 0 && base[:half] == base[half:] {
		base = base[:half]
	}
	return base == "" && len(lower) < 2*MinPasswordLength && isRow(digits(lower)) || slices.Contains(commonWords(), base)
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// isRow tells whether s walks along a keyboard or an alphabet.
func isRow(s string) bool {
	if len(s) == 0 {
		return false
	}
	for _, row := range []string{
		"01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm",
		"azertyuiopqsdfghjklmwxcvbn", "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn", "q1w2e3r4t5y6u7i8o9p0",
	} {
		back := []rune(row)
		slices.Reverse(back)
		if strings.Contains(row, s) || strings.Contains(string(back), s) {
			return true
		}
	}
	return false
}

// commonWords are those that people put digits around. They are compared after
// core.
func commonWords() []string {
	return []string{
		"password", "passwort", "passwd", "pass", "passw", "motdepasse", "contrasena", "kennwort", "secret", "geheim",
		"admin", "administrator", "root", "superuser", "user", "guest", "test", "tester", "testing", "demo", "default",
		"changeme", "changeit", "letmein", "welcome", "willkommen", "login", "signin", "access", "master", "manager",
		"qwert", "qwerty", "qwertyui", "qwertyuiop", "qwertz", "azerty", "asdf", "asdfgh", "asdfghjkl", "zxcvbn", "zxcvbnm",
		"qazwsx", "abc", "abcd", "abcdef", "iloveyou", "loveyou", "sunshine", "princess", "dragon", "monkey", "football",
		"baseball", "superman", "batman", "starwars", "pokemon", "shadow", "michael", "jordan", "hunter", "trustnoi",
		"whatever", "freedom", "summer", "winter", "spring", "autumn", "sommer", "monday", "friday", "january", "december",
		"company", "office", "backup", "backups", "backupmonitor", "monitor", "monitoring", "outlet", "outlets", "database",
		"server", "support", "helpdesk", "service", "system", "oracle", "sqlserver", "computer", "internet", "microsoft",
		"windows", "hello", "helloworld", "correcthorsebatterystaple",
	}
}
