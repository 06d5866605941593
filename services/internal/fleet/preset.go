package fleet

// Preset names a way an outlet can be.
type Preset string

// Expected is what a right look at an outlet must find.
type Expected struct{}
