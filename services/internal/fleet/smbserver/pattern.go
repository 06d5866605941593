package smbserver

import "unicode"

// The wildcards a client may send besides * and ?, [MS-FSCC] 2.1.4.
const (
	dosStar  = '<' // like *, but only up to the last dot of the name
	dosQMark = '>' // like ?, but also nothing, before a dot or at the end of the name
	dosDot   = '"' // a dot, or the end of the name
)

// pattern selects names in a folder, in any case, as [MS-FSA] 2.1.4.4 describes.
type pattern []rune

// newPattern prepares a pattern; *.* and the empty pattern mean everything.
func newPattern(s string) pattern {
	if s == "" || s == "*.*" {
		s = "*"
	}
	return fold(s)
}

func fold(s string) []rune {
	runes := []rune(s)
	for i, r := range runes {
		runes[i] = unicode.ToUpper(r)
	}
	return runes
}

// matches runs all readings of the pattern over the name at once, so that the time is the product of both lengths
// whatever the pattern is.
func (p pattern) matches(name string) bool {
	if len(p) == 1 && p[0] == '*' {
		return true
	}
	runes := fold(name)
	lastDot := -1
	for i, r := range runes {
		if r == '.' {
			lastDot = i
		}
	}
	now, then := make([]bool, len(p)+1), make([]bool, len(p)+1)
	now[0] = true
	for i, r := range runes {
		p.skip(now, r == '.', false)
		clear(then)
		for at, alive := range now[:len(p)] {
			if alive {
				p.step(then, at, r, i < lastDot || lastDot < 0, i == lastDot)
			}
		}
		now, then = then, now
	}
	p.skip(now, false, true)
	return now[len(p)]
}

// skip adds the states reachable without a character of the name, before a dot or at its end.
func (p pattern) skip(states []bool, beforeDot, atEnd bool) {
	for at, r := range p {
		if !states[at] {
			continue
		}
		switch r {
		case '*', dosStar:
			states[at+1] = true
		case dosQMark:
			states[at+1] = states[at+1] || beforeDot || atEnd
		case dosDot:
			states[at+1] = states[at+1] || atEnd
		}
	}
}

// step adds the states reachable from at over one character of the name.
func (p pattern) step(next []bool, at int, r rune, beforeLastDot, isLastDot bool) {
	switch p[at] {
	case '*':
		next[at] = true
	case dosStar:
		next[at] = next[at] || beforeLastDot
		next[at+1] = next[at+1] || isLastDot
	case '?':
		next[at+1] = true
	case dosQMark:
		next[at+1] = next[at+1] || r != '.'
	case dosDot:
		next[at+1] = next[at+1] || r == '.'
	default:
		next[at+1] = next[at+1] || p[at] == r
	}
}
