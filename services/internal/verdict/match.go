package verdict

import "unicode"

// DefaultPattern is what counts as a backup where a policy names no pattern.
const DefaultPattern = "*.bak"

// Patterns are compiled patterns of file names: '*' stands for any number of
// characters, '?' for exactly one, case is ignored. A name matches if one of
// them matches it whole.
type Patterns [][]rune

// CompilePatterns prepares patterns; without any, DefaultPattern is meant.
func CompilePatterns(patterns []string) Patterns {
	if len(patterns) == 0 {
		patterns = []string{DefaultPattern}
	}
	p := make(Patterns, 0, len(patterns))
	for _, s := range patterns {
		p = append(p, fold(s))
	}
	return p
}

// Match tells whether name matches one of the patterns.
func (p Patterns) Match(name string) bool {
	folded := fold(name)
	for _, pattern := range p {
		if matchOne(pattern, folded) {
			return true
		}
	}
	return false
}

// matchOne walks both texts once and, on a mismatch, goes back to the last
// star only: the time is bounded by the product of the lengths, whatever the
// name, which a stranger chose.
func matchOne(pattern, name []rune) bool {
	p, n := 0, 0
	star, resume := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func fold(s string) []rune {
	r := []rune(s)
	for i := range r {
		r[i] = unicode.ToUpper(r[i])
	}
	return r
}
