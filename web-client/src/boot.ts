// Runs before the first paint, so that a chosen theme never flashes in another.
import { applyLook, settings } from "./lib/settings.ts";

applyLook(settings());
