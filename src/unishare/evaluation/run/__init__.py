"""Running scenarios: what is measured in which order, kept on disk part by part, with KSM and fleets given back at the end."""
