// Package upstream sends calls to services behind weir: it holds their pools of
// endpoints, chooses one, keeps watch over their health, and tries again where that
// is safe.
//
// [Upstreams] lives as long as the process and hands out a [Pool] by its name and
// [Settings]: who asks for the same gets the same, with its connections and what is
// known of its endpoints' health, so that a reload loses neither.
package upstream
