package weir

// Fields returns fields of a header, written as an object of names and their values; a
// list is several values of one name. What could not be sent is wrong, and so is what is
// the protocol's own, such as content-length.
func (c *Config) Fields(key string) (all []Field) {
	o := c.Object(key)
	for _, name := range o.Keys() {
		switch {
		case !isToken(name):
			o.Fail(name, "is no name of a field")
		case framing(lower(name)):
			o.Fail(name, "is the protocol's own, and nobody else's to change")
		}
		for _, value := range o.Strings(name) {
			if !isValue(value) {
				o.Fail(name, "has a value with control characters")
			}
			all = append(all, Field{name, value})
		}
	}
	return all
}

// Tokens returns a list of what names of fields, and methods, are made of: no spaces, no
// colons. One text is a list of one.
func (c *Config) Tokens(key string) []string {
	all := c.Strings(key)
	for _, s := range all {
		if !isToken(s) {
			c.Fail(key, quote(s)+" is no name that could be sent")
		}
	}
	return all
}
