package registry

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"backupmonitor/events"
)

// MaxNameLength is how many characters an outlet's name may have.
const MaxNameLength = 100

// maxHostLength is that of a domain name in text. Source: RFC 1035, 2.3.4,
// without the length bytes of the first label and the root.
const maxHostLength = 253

// CleanAddress trims an address and checks that it can be one: an IP address
// or a host name, with :port where the port is not the usual one (an IPv6
// address then in brackets).
func CleanAddress(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", errors.New("the address is empty")
	}
	if isIP(s) {
		return s, nil
	}
	host := s
	if strings.Contains(s, ":") {
		h, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", fmt.Errorf("%q is not an IP address or host name, with or without :port", s)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", fmt.Errorf("%q has a bad port: use 1 to 65535", s)
		}
		host = h
	}
	if isIP(host) || isHostName(host) {
		return s, nil
	}
	return "", fmt.Errorf("%q is not an IP address or host name, with or without :port", s)
}

// isIP accepts an address that names a host; its zone, if any, is an interface's
// name or number, and no text that a terminal would obey.
func isIP(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && !ip.IsUnspecified() && !strings.ContainsFunc(ip.Zone(), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", c)
	})
}

// isHostName accepts what DNS and NetBIOS use: labels of letters, digits, '-'
// and '_', 1 to 63 long. A last label of digits alone is a mistyped IP
// address. Source: RFC 1123, 2.1.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) == 0 || len(s) > maxHostLength {
		return false
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if len(l) == 0 || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// CleanName trims a name of an outlet or a group and checks that it can be
// one: at most MaxNameLength printable characters.
func CleanName(s string) (string, error) {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) {
		return "", errors.New("the name is not valid UTF-8")
	}
	if utf8.RuneCountInString(s) > MaxNameLength {
		return "", fmt.Errorf("the name has more than %d characters", MaxNameLength)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return "", fmt.Errorf("the name %q contains an unprintable character", s)
		}
	}
	return s, nil
}

// Clean trims what an outlet consists of and checks all of it; every fault is
// reported, joined.
func Clean(o events.OutletChanged) (events.OutletChanged, error) {
	var errs [6]error
	o.Code, errs[0] = events.CleanCode(o.Code)
	o.Address, errs[1] = CleanAddress(o.Address)
	o.Name, errs[2] = CleanName(o.Name)
	o.Group, errs[3] = CleanName(o.Group)
	switch {
	case o.MaxAgeSeconds == nil:
	case *o.MaxAgeSeconds < 0:
		errs[4] = errors.New("the maximum age is negative")
	case *o.MaxAgeSeconds > events.MostMaxAgeSeconds:
		errs[4] = fmt.Errorf("the maximum age is over %d seconds; 0 turns the rule off", events.MostMaxAgeSeconds)
	}
	if o.PausedUntil != nil {
		if y := o.PausedUntil.UTC().Year(); y < 1 || y > 9999 {
			errs[5] = errors.New("the pause ends outside the years 1 to 9999 in UTC: take a date of this century, or retire the outlet")
		}
	}
	return o, errors.Join(errs[:]...)
}
