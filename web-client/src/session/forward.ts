// A component that hands its root element out under `ref`.
import type { ComponentChildren, FunctionComponent, Ref } from "preact";

export function forwardRef<P, E>(
  draw: (props: P, ref: Ref<E> | undefined) => ComponentChildren,
): FunctionComponent<P & { ref?: Ref<E> }> {
  // Preact 11 passes `ref` to function components as a prop.
  return (props) => draw(props, (props as { ref?: Ref<E> }).ref) as never;
}
