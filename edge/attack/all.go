package attack

// All returns every attack that can be run against any server without more being
// known about it, in the order of the layers they aim at.
func All() []Attack {
	return []Attack{
		{"SlowHandshake", "tls", SlowHandshake},
		{"SlowHeaders", "h1", SlowHeaders},
		{"SlowBody", "h1", SlowBody},
		{"SlowChunk", "h1", SlowChunk},
		{"SlowReader", "h1", SlowReader},
		{"IdleHerd", "h1", IdleHerd},

		{"RapidReset", "h2", RapidReset},
		{"MadeYouReset", "h2", MadeYouReset},
		{"ContinuationFlood", "h2", ContinuationFlood},
		{"SettingsFlood", "h2", SettingsFlood},
		{"TableFlood", "h2", TableFlood},
		{"PingFlood", "h2", PingFlood},
		{"EmptyFrames", "h2", EmptyFrames},
		{"HPACKBomb", "h2", HPACKBomb},
		{"ZeroWindow", "h2", ZeroWindow},
		{"HeldHeaders", "h2", HeldHeaders},
		{"DrippedData", "h2", DrippedData},

		{"CutData", "h3", H3CutData},
		{"ShortBody", "h3", H3ShortBody},
		{"LongBody", "h3", H3LongBody},
		{"NoBody", "h3", H3NoBody},
		{"BlockedHeaders", "h3", H3BlockedHeaders},
		{"QPACKBomb", "h3", QPACKBomb},
		{"QPACKTrailerBomb", "h3", QPACKTrailerBomb},
		{"QPACKEncoderFlood", "h3", QPACKEncoderFlood},
		{"RapidReset", "h3", H3RapidReset},
		{"HeldHeaders", "h3", H3HeldHeaders},
		{"HeldBody", "h3", H3HeldBody},
	}
}
