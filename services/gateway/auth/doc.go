// Package auth decides who somebody is and what they may do: passwords as
// bcrypt hashes, sessions as JSON Web Tokens, the roles Admin and Support.
package auth
